# A translator that knows what was translated before, and no more:   awk -f memory.awk memory.tsv - < prompt
# The prompt's first line says from and into which language, and which attempt it is; the text stands between <text> and
# </text>, one sentence a line. What is not in the memory comes back as [?? …].

FNR == NR && (/^#/ || NF == 0) { next }
FNR == NR {
  split($0, cell, "\t")
  there[cell[1], cell[2], ++versions[cell[1], cell[2]]] = cell[3]
  home[cell[1], cell[3]] = cell[2]
  next
}
FNR == 1 {
  from = after("from "); into = after("into ")
  attempt = match($0, /attempt [0-9]+/) ? substr($0, RSTART + 8, RLENGTH - 8) + 0 : 1
  next
}
/^<text>$/   { inside = 1; next }
/^<\/text>$/ { exit }
!inside      { next }
$0 == ""     { print; next }
into == "English" && (from, $0) in home { print home[from, $0]; next }
(into, $0) in versions { n = versions[into, $0]; print there[into, $0, attempt < n ? attempt : n]; next }
{ print "[?? " $0 "]" }

function after(word,    rest) {                      # "from German into English" -> German
  rest = substr($0, index($0, word) + length(word))
  sub(/ (into .*)$/, "", rest); sub(/[,.].*$/, "", rest)
  return rest
}
