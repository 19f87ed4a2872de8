"""A run as one page of HTML that opens without a network.

html      tags, with all text escaped                facts     what the page tells, read from the record
values    what was said and given, within bounds     timeline  visits and what happened in them, as bars that unfold
sections  the other parts                            page      the whole

`page.css` and `page.js` are put into the page; without the script everything is there, but for the search.
"""
