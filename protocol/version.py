"""The version of the rules. Bump it when any vector or rule changes: an audit names it and judges nothing older.

2: any selected link sets the uptime bit, a mapper's too (docs/adr/0005);
   the outcome of a report that is too fast counts 8 contradictions at most (docs/adr/0024).
"""

PROTOCOL_VERSION = 2
