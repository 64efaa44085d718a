# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Our HTTP/1.1 framing beside http-parser's: the fuzz seeds, smuggling shapes and mutations of them (tests/tools/http_oracle.c).
. tests/lib.sh
if ! echo '#include <http_parser.h>' | ${CC:-cc} -E - >/dev/null 2>&1; then
	t_skip "http-parser agrees" "libhttp-parser-dev is not installed"
	t_done
fi
t "the comparison builds" ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -I. tests/tools/http_oracle.c runtime/common/http1.c \
	runtime/common/http1_body.c -lhttp_parser -o "$TEST_TMP/oracle"
t "what we accept http-parser accepts, with the same end and content" "$TEST_TMP/oracle" 2000000 tests/fuzz/corpus/http1/*
t_done
