"""What every store must do, over each database that it may be in.

There is no fake of it: SQLite in a temporary folder opens in a hundredth of a second, is what most gateways run on, and
brings the transactions, cascades and constraints that a fake would have to imitate and would then be tested for.
"""
