"""Any HTTP answer: ranges, conditionals, problems, sending, the door."""
