#!/bin/sh
# Pango draws the PDF. Install it where that needs no password; otherwise say what is missing and go on:
# everything but the PDF works without it.
set -u
if ldconfig -p 2>/dev/null | grep -q 'libpangoft2-1\.0' || [ "$(uname)" != Linux ]; then
    exit 0
fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing Pango for PDF reports (apt-get)"
    if { apt-get update -qq && apt-get install -y -qq libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; } >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "note: Pango was not found, so PDF reports cannot be written. On Debian and Ubuntu:"
echo "      apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
exit 0
