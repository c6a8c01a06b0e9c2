"""Many files: which there are, who works on them, what came of each.

    paths ── plan ──▶ jobs ── workers, or ray_workers ──▶ outcomes ── results ──▶ lines, a report in JSON

What is done with one file is a function of a job, which commands bring along; nothing here knows a command.
"""
