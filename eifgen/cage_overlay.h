// SPDX-License-Identifier: Apache-2.0
//
// The runtime laid over an image's tree: no Dockerfile is rewritten and nothing of the image is executed, so it works
// for distroless and `FROM scratch` as for anything else.
//
//   /opt/cage/bin/{cage-service,data-plane}   /opt/cage/config.cbor
//   /etc/service/data-plane/{run,cmd,env,gate}   /etc/service/NAME/{run,cmd,env,user,workdir,gate,late-env}
//   /usr/local/bin/TOOL                       for each tool that no PATH directory of the image holds already
//
// The image's ENTRYPOINT, CMD, USER, WORKDIR and ENV move into the service's directory, with the canonical layout's
// rules; the config that is left names the supervisor.
#ifndef EIFGEN_CAGE_OVERLAY_H
#define EIFGEN_CAGE_OVERLAY_H

#include "eifgen/cage_bundle.h"
#include "eifgen/cage_config.h"
#include "eifgen/json_out.h"
#include "eifgen/layout.h"

struct cage_overlay {
	const struct cage_config *config; // borrowed, as all that follows
	const struct cage_bundle *bundle;
	uint32_t port;			      // of the service
	const struct layout_options *layout; // for warnings
	bool cmd_override;		      // config.cmd stands alone
	// Filled by the overlay: where each tool of the bundle is now, and whether it came from the image.
	struct {
		char *path; // owned
		bool from_image;
	} tools[CAGE_TOOLS_MAX];
	char *argv[5]; // the supervisor's command line; argv[2] is owned
};

// A build_overlay (eifgen/build.h): ctx is a struct cage_overlay. The config's lists are replaced by ones that live as
// long as ctx.
int cage_overlay_apply(void *ctx, struct tree *tree, struct image_config *config, struct err *err);
// "sha256:…" over what decides the overlay beside the image: the bundle's digest, the compiled configuration, the
// service's name. For the record.
int cage_overlay_digest(const struct cage_overlay *o, char out[DIGEST_TEXT_MAX], struct err *err);
// A build_input's overlay_report: {"Name", "Path", "Source"} a tool, Source being "image" or the bundle's words. ctx is
// a struct cage_overlay that has been applied.
void cage_overlay_report(const void *ctx, struct jout *o);
void cage_overlay_clear(struct cage_overlay *o);

#endif
