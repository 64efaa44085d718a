// SPDX-License-Identifier: Apache-2.0
//
// `--cache`: where the warm-prediction cache lives, which the environment says ($XDG_CACHE_HOME, $HOME) and which never
// changes what comes out.
#ifndef EIFGEN_CMD_CACHE_OPTION_H
#define EIFGEN_CMD_CACHE_OPTION_H

#include "base/err.h"
#include "layerfs/layer_cache.h"

enum { CACHE_GIB = 8 }; // bound on its size: a few large images

#define CACHE_OPTION_HELP                                                                                              \
	"      --cache               keep what was read and measured in $XDG_CACHE_HOME/eifgen, and use what is there\n"

// The directory's path, for the caller to free: $XDG_CACHE_HOME/eifgen if that is an absolute path, else
// $HOME/.cache/eifgen. ERR_USAGE if neither is set.
char *cache_dir(struct err *err);
int cache_open(struct layer_cache **out, struct err *err);

#endif
