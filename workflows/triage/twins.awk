# Issues whose titles are alike: of the words of both at least 60 in 100 are shared. Reads lines `NUMBER TITLE`, prints
# a JSON object from the number of the later one to that of the earlier: {"118": 104}.

NF < 2 { next }
{
  number = $1; $1 = ""
  n = split(words($0), list, " ")
  split("", mine); size = 0
  for (i = 1; i <= n; i++) if (length(list[i]) > 2 && !(list[i] in mine)) { mine[list[i]] = 1; size++ }
  for (k = 1; k <= count && size > 1; k++) {
    both = 0
    for (w in mine) if ((k, w) in of) both++
    if (both >= 0.6 * (size + sizes[k] - both)) {
      pairs = pairs (pairs == "" ? "" : ", ") "\"" int(number) "\": " int(numbers[k])
      break
    }
  }
  numbers[++count] = number; sizes[count] = size
  for (w in mine) of[count, w] = 1
}
END { print "{" pairs "}" }

function words(text) { text = tolower(text); gsub(/[^a-z0-9]/, " ", text); return text }
