"""Engine profiles from measurements: reading measured data, measuring a live server, fitting, and validation.

| Module | What is in it |
|---|---|
| `reading` | what a file of measured data holds, told by its columns |
| `pass_files`, `decode_tables`, `engine_logs`, `records` | one module per kind of file |
| `fitting` | files to a profile and a report of its errors |
| `calibration` | the few numbers that only traffic tells, chosen on recorded runs |
| `validation` | predicted beside measured times of a recorded run |
| `measure` and `measure_*` | a sweep over a live server |
"""
