"""Where spans go to: exporters, each behind a queue and a thread of its own, so that none of them holds up a run.

line      the queue and the thread of one exporter      pipeline  a sink that hands a run's spans to all of them
address   where a collector is, and how it is spoken to  convert   spans as OpenTelemetry's library has them
otlp      OTLP over HTTP and gRPC, by that library       custom    exporters of other packages
"""
