"""Reports: tables and figures for people."""
