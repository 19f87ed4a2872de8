"""Hostile input for everything that reads what others wrote: `python -m tests.fuzz [TARGET…] --minutes N --seed S`.

    targets   what is fed: bytes in, nothing out; whatever is raised that is not magent's own error is a finding
    around    more of it: streams of models, records in other stores, notes, settings, the environment
    outward   drawings, reports and traces, in which hostile text must stay text
    every     all of these, by name
    mutate    inputs from seeds: bytes, words, lines and JSON bent by chance, which a seed repeats
    check     one input under watch: what it raised, how long it took, what it tried beyond reading
    __main__  the same by hand for minutes, guided by coverage where atheris is installed

In the suite each target is tried for a moment, always the same way (`test_targets`); what was found once is in
`found/`, an input a file, and is tried first.
"""
