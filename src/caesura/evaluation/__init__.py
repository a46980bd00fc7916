"""How good a repair is: metrics, a resumable benchmark, and the report that comes out of it.

- `metrics`: SNR, SDR, SI-SDR, LSD and other distances to the original; NumPy and SciPy only
- `peaq`: the objective difference grade of ITU-R BS.1387, basic version
- `perceptual`: grades of installed third-party programs, each under its true name
- `protocols`: where the gaps of a benchmark lie
- `benchmark`: method x file x gap length x seed -> rows of a JSON-lines file
- `frames`: spectra of the gaps that a benchmark keeps, for distances between sets
- `tables`: rows -> means, paired confidence intervals, markdown
- `report`: the page docs/benchmarks/classical.md
"""

from __future__ import annotations
