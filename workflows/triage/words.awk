# A sorter that asks no model: it counts words that are usual for a kind of issue. It reads the prompt of `sort` and prints
# {"kind": …, "sure": …, "why": …}. It does for issues in plain words; where it finds few, it says that it is not sure.

NR == 1      { title = tolower(substr($0, 8)); next }      # "Title: …"
/^<issue>$/  { inside = 1; next }
/^<\/issue>$/ { exit }
inside       { body = body " " tolower($0) }

END {
  look("bug", "crash crashes error fails failed broken wrong lost stops frozen exception")
  look("feature", "add allow support option wish please could would like")
  look("docs", "readme documentation manual page typo spelling explained example examples")
  look("question", "how why what where does anybody ?")
  best = "question"; second = 0
  for (i = 1; i <= 4; i++) {
    if (score[kinds[i]] > score[best]) best = kinds[i]
  }
  for (i = 1; i <= 4; i++) if (kinds[i] != best && score[kinds[i]] > second) second = score[kinds[i]]
  sure = score[best] == 0 ? 0 : int(100 * (score[best] - second) / score[best])
  if (score[best] < 3 && sure > 60) sure = 60                # one word is not much to go by
  why = score[best] == 0 ? "no word tells" : "it says" found[best]
  printf "{\"kind\": \"%s\", \"sure\": %d, \"why\": \"%s\"}\n", best, sure, why
}

function look(kind, words,    list, n, i) {                  # a word in the title counts twice
  kinds[++known] = kind
  n = split(words, list, " ")
  for (i = 1; i <= n; i++) {
    if (has(title, list[i])) { score[kind] += 2; tell(kind, list[i]) }
    if (has(body, list[i])) { score[kind] += 1; tell(kind, list[i]) }
  }
}

function tell(kind, word) { if (index(found[kind] " ", " " word " ") == 0) found[kind] = found[kind] " " word }

function has(text, word) {
  gsub(/[^a-z?]/, " ", text)
  gsub(/\?/, " ? ", text)
  return index(" " text " ", " " word " ") > 0
}
