# Searches a folder of texts: the first file, `-`, is the query, the others are documents, whose first line is the title.
# Gives JSON in the form of `web_search`: [{"title", "url", "snippet"}], the best paragraphs first, one a document.
# A paragraph is the better the more different words of the query it holds; short words do not count.

function quoted(text) {
  gsub(/\\/, "&&", text)
  gsub(/"/, "\\\"", text)
  gsub(/[[:cntrl:]]/, " ", text)
  return "\"" text "\""
}

# The paragraph is over: is it the best of its document?
function weigh(   word, score) {
  for (word in wanted) if (index(tolower(paragraph), word)) score++
  if (paragraph != "" && score > best[document]) { best[document] = score; saying[document] = paragraph }
  paragraph = ""
}

FILENAME == "-" {
  count = split(tolower($0), words, /[^a-z0-9]+/)
  for (i = 1; i <= count; i++) if (length(words[i]) > 3) wanted[words[i]]
  next
}
FNR == 1 { weigh(); document = FILENAME; title[document] = $0; order[++documents] = document; next }
/^[[:space:]]*$/ { weigh(); next }
{ paragraph = paragraph (paragraph == "" ? "" : " ") $0 }

END {
  weigh()
  printf "["
  for (score = count; score > 0 && found < 5; score--)
    for (i = 1; i <= documents && found < 5; i++) {
      document = order[i]
      if (best[document] != score) continue
      printf "%s{\"title\": %s, \"url\": %s, \"snippet\": %s}", found++ ? ", " : "", quoted(title[document]), quoted(document), quoted(saying[document])
    }
  print "]"
}
