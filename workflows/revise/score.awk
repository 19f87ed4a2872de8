# Scores a text by the rules of its brief:   awk -f score.awk < both
# where `both` is the brief, a line <draft>, and the text.
#
#   Must say: 8:15            two points lost where it does not
#   Must not say: sorry       one point lost where it does
#   Words: 40                 one point for each tenth above
#   Words in a sentence: 20   one point for each sentence that is longer
#
# Prints {"score": 0 to 10, "faults": ["…"]}.

/^<draft>\r?$/ && !second        { second = 1; next }
second                           { text = text " " $0; next }
/^Must say: */                   { sub(/^Must say: */, ""); must[++musts] = trim($0) }
/^Must not say: */               { sub(/^Must not say: */, ""); never[++nevers] = trim($0) }
/^Words in a sentence: */        { longest = $NF + 0 }
/^Words: */                      { most = $NF + 0 }

END {
  lower = tolower(text)
  for (i = 1; i <= musts; i++) if (index(lower, tolower(must[i])) == 0) fault(2, "it does not say '" must[i] "'")
  for (i = 1; i <= nevers; i++) if (index(lower, tolower(never[i]))) fault(1, "it says '" never[i] "'")
  words = split(text, list, " ")
  if (words == 0) fault(10, "it is empty")
  if (most && words > most) fault(int((words - most) * 10 / most) + 1, "it has " words " words, at most " most " are allowed")
  for (i = 1; i <= words; i++) {
    run++
    if (list[i] ~ /[.!?]["')]*$/ || i == words) {
      if (longest && run > longest) fault(1, "a sentence has " run " words, at most " longest " are allowed")
      run = 0
    }
  }
  printf "{\"score\": %d, \"faults\": [%s]}\n", (lost > 10 ? 0 : 10 - lost), faults
}

function fault(points, what) { lost += points; faults = faults (faults == "" ? "" : ", ") quoted(what) }
function trim(text) { gsub(/^[ \t]+|[ \t\r]+$/, "", text); return text }
function quoted(text) { gsub(/[[:cntrl:]]/, " ", text); gsub(/\\/, "/", text); gsub(/"/, "'", text); return "\"" text "\"" }
