# Checks citations by rule. Lines "S <number> <text>" are the sources, "A <text>" those of the answer. Prints what is
# wrong, one fault a line: a source that does not exist, a paragraph without one, a figure that none of its sources has.

function shortened(text) { return length(text) > 60 ? substr(text, 1, 57) "..." : text }

# Whether the figure stands by itself in one of the sources that the paragraph cites.
function borne_out(figure,   n) {
  for (n in cited) if (n in source && (" " source[n] " ") ~ ("[^0-9.,]" figure "([^0-9.,]|[.,][^0-9])")) return 1
  return 0
}

$1 == "S" { n = $2; sub(/^S [0-9]+ /, ""); source[n] = $0; sources++; next }
$1 == "A" && NF > 1 {
  sub(/^A /, "")
  rest = $0
  plain = ""
  some = 0
  split("", cited)
  while (match(rest, /\[[0-9]+\]/)) {
    n = substr(rest, RSTART + 1, RLENGTH - 2) + 0
    if (n in source) cited[n]
    else print "[" n "] is no source: there are 1 to " sources + 0
    some = 1
    plain = plain substr(rest, 1, RSTART - 1) " "
    rest = substr(rest, RSTART + RLENGTH)
  }
  plain = plain rest
  if (!some) { print "it is not said where this comes from: " shortened($0); next }
  while (match(plain, /[0-9]+([.,][0-9]+)*/)) {
    figure = substr(plain, RSTART, RLENGTH)
    plain = substr(plain, RSTART + RLENGTH)
    pattern = figure
    gsub(/[.]/, "[.]", pattern)
    if (!borne_out(pattern)) print figure " is in none of the sources that are named for it: " shortened($0)
  }
}
