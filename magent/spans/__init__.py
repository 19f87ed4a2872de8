"""What a run did, as a trace: a reading of its events. Nothing here knows OpenTelemetry's library or any exporter.

ids       names of traces and spans, W3C Trace Context      span     what a trace is made of
words     the semantic conventions                          places   what stands at an address of the workflow
tree      the spans under way, and those that are over      reading  events → spans, by what they tell of:
                                                                     lives · visits · model_calls · steps
path      the critical path                                 chrome   for Perfetto
measures  spans → numbers that are counted and added up     here     the span that code at work is in
"""
