"""The catalogue: every field, measure, metric and dimension, each declared once, in the module of its kind.

It alone drives the tables in the store, the shape of events, SQL, validation, API enums and OpenAPI, the page's menus and
number formats, CSV headers, CLI choices, the reference pages and the spellings of the ElevenLabs door. Adding a metric or
a breakdown is one entry here, and one line in the tests' oracle, which states the meaning again in slow, obvious Python.

* A **Field** is a column of the request log: what a sender may send, or what we stamp.
* A **Measure** is an aggregate over rows. Additive ones may be summed over buckets and series.
* A **Metric** is what a person picks: a formula over measures.
* A **Dimension** is what a metric can be split or filtered by. `attributes.<key>` needs no entry.
* A **Failure** says how errors are told apart.
* A **Rollup** is a cache of additive measures by some columns, which answers questions that name no others.

SQL fragments in it name columns and nothing else: no value ever stands in them. Nothing here knows the store's driver,
HTTP or the page.
"""

from usagedeck.catalog.checks import check

check()
