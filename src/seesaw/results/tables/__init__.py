"""The paper's tables: collected from results, judged, laid out and written in six formats."""
