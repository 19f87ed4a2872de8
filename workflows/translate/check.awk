# What a rule can say about a translation:   awk -v language=German -f check.awk < all
# where `all` is the glossary, a line <text>, the original, a line <translation>, and the translation. Prints one fault a
# line.

!first && /^<text>$/     { first = 1; next }
!first && /^#/           { next }
!first                   { split($0, cell, "\t"); if (cell[1] == language) { word[++words] = cell[2]; want[words] = cell[3] }; next }
/^<translation>$/        { second = 1; next }
!second                  { source = source " " $0; if ($0 != "") lines++; next }
                         { target = target " " $0; if ($0 != "") made++ }
second && /\[\?\?/       { unknown++ }

END {
  for (i = 1; i <= words; i++)
    if (index(tolower(source), tolower(word[i])) && !index(tolower(target), tolower(want[i])))
      print "the glossary wants '" want[i] "' for '" word[i] "'"
  count(source, 1)
  count(target, -1)
  for (i = 1; i <= numbers; i++) {
    if (left[number[i]] > 0) print "the number " number[i] " is missing"
    if (left[number[i]] < 0) print "the number " number[i] " is there too often"
  }
  if (made < lines) print "it has " made + 0 " lines, the original has " lines
  if (unknown) print unknown " of the sentences could not be translated"
}

function count(text, sign,    n, i, parts) {
  n = split(text, parts, /[^0-9]+/)
  for (i = 1; i <= n; i++) if (parts[i] != "") {
    if (!(parts[i] in left)) number[++numbers] = parts[i]
    left[parts[i]] += sign
  }
}
