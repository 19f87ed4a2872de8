# Picks the most telling sentences of a text, word for word: those whose words come up most often in it (as H. P. Luhn did
# in 1958). It reads a prompt, whose first line says how many (one to five), and takes what stands between <text> and
# </text>. Marked lines (`Decided: …`, `Action: …`) and headings are left out, as the workflow gathers them by itself.

BEGIN { most = 3; split("one two three four five", numbers, " ") }
NR == 1 { for (i = 1; i <= 5; i++) if (index(" " $0, " " numbers[i] " ")) most = i; next }
/^<text>$/ { inside = 1; next }
/^<\/text>$/ { inside = 0; next }
!inside { next }
/^(Decided|Action):/ || /^[ \t]*$/ { finish(); next }
{
  sub(/\r$/, "")
  while (match($0, /[.!?]["')]*([ \t]+|$)/)) {       # a sentence ends here; "3.5" and "a.m" do not end one
    line = line " " substr($0, 1, RSTART + RLENGTH - 1)
    $0 = substr($0, RSTART + RLENGTH)
    keep()
  }
  if ($0 != "") line = line " " $0
}
END {
  finish()
  for (s = 1; s <= count; s++) weigh(s)
  for (n = 1; n <= most && n <= count; n++) {
    best = 0
    for (s = 1; s <= count; s++) if (!(s in taken) && (!best || weight[s] > weight[best])) best = s
    taken[best] = 1
  }
  for (s = 1; s <= count; s++) if (s in taken) { printf "%s%s", gap, sentence[s]; gap = " " }
  if (count) print ""
}

function finish() { line = "" }                      # what has no full stop is a heading or a scrap

function keep(    n, i, words) {
  gsub(/[ \t]+/, " ", line); gsub(/^ | $/, "", line)
  if (line != "" && !(line in seen)) {
    seen[line] = 1; sentence[++count] = line
    n = split(plain(line), words, " ")
    for (i = 1; i <= n; i++) often[words[i]]++
  }
  line = ""
}

function weigh(s,    n, i, words, sum, long) {       # the mean of its longer words, so that length alone wins nothing
  n = split(plain(sentence[s]), words, " ")
  for (i = 1; i <= n; i++) if (length(words[i]) > 3) { sum += often[words[i]]; long++ }
  weight[s] = long < 3 ? 0 : sum / long
}

function plain(text) { text = tolower(text); gsub(/[.,;:!?"'()]/, " ", text); return text }
