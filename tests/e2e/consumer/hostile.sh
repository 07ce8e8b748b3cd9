#!/bin/sh
echo "::set-output name=verdict::hostile"
echo "::add-mask::hostile"
echo "::stop-commands::hostile"
echo "::hostile::"
echo "::save-state name=hostile::hostile"
echo "::error title=hostile::hostile"
echo "  ::warning title=hostile::after blanks"
echo "::notice title=hostile::hostile"
echo "::group::hostile"
echo "::add-path::/hostile"
echo "::set-env name=HOSTILE::hostile"
echo "##[error]hostile"
echo "in the middle ##[warning]hostile"
echo "##[set-output name=verdict;]hostile"
echo "::set-output name=digest::hostile" >&2
printf 'progress\r::error title=hostile::after a carriage return\r\n'
printf '\033[2K\033[1G::error title=hostile::after an escape sequence\n'
printf '\377\376 not UTF-8 ::error title=hostile::hostile\n'
printf '::error title=hostile::without a final newline'
