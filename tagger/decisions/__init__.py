"""Which clauses are met, and what follows: outcome, reasons, questions, remark."""
