// SPDX-License-Identifier: Apache-2.0
//
// The table of entropy rules. To add one: a line here, a scene that shows it in testdata/scan/scenes, its fixtures by
// tests/tools/scan_fixtures.sh. Order matters where globs overlap (the first match speaks): narrow before wide.
// At most 64 rules, since a chosen set is a 64-bit mask.
#include "layerfs/entropy.h"
#include "layerfs/entropy_probe.h"

// clang-format off
const struct entropy_rule entropy_rules[] = {
// id, glob, severity, scrub, cause, remedy, probe
{"apt-pkgcache", "var/cache/apt/pkgcache.bin|var/cache/apt/srcpkgcache.bin", ENTROPY_HIGH, SCRUB_DROP,
 "apt's binary package cache", "rm -f /var/cache/apt/*.bin in the same RUN as apt-get", NULL},
{"ldconfig-aux-cache", "var/cache/ldconfig/aux-cache", ENTROPY_HIGH, SCRUB_DROP,
 "ldconfig's cache of inode numbers and change times", "rm -f /var/cache/ldconfig/aux-cache", NULL},
{"apt-log", "var/log/apt/**", ENTROPY_HIGH, SCRUB_DROP,
 "package-manager log with dates", "rm -rf /var/log/apt in the same RUN as apt-get", NULL},
{"dpkg-log", "var/log/dpkg.log|var/log/alternatives.log|var/log/bootstrap.log", ENTROPY_HIGH, SCRUB_DROP,
 "package-manager log with dates", "rm -f /var/log/{dpkg,alternatives,bootstrap}.log", NULL},
{"package-log", "var/log/dnf*|var/log/yum*|var/log/hawkey.log|var/log/apk.log|var/log/zypp/**|var/log/pacman.log",
 ENTROPY_HIGH, SCRUB_DROP, "package-manager log with dates", "delete the log in the same RUN", NULL},
{"apt-lists", "var/lib/apt/lists/**", ENTROPY_HIGH, SCRUB_DROP,
 "downloaded package indexes, which move with the mirror", "rm -rf /var/lib/apt/lists/*; pin a snapshot mirror",
 entropy_probe_not_empty},
{"apt-archives", "var/cache/apt/archives/*.deb|var/cache/apt/archives/partial/*", ENTROPY_LOW, SCRUB_DROP,
 "downloaded packages", "apt-get clean", NULL},
{"debconf-old", "var/cache/debconf/*-old|var/lib/dpkg/*-old", ENTROPY_LOW, SCRUB_DROP,
 "a package manager's backup of its former state", "rm -f /var/cache/debconf/*-old /var/lib/dpkg/*-old", NULL},
{"apk-scripts", "lib/apk/db/scripts.tar*|usr/lib/apk/db/scripts.tar*", ENTROPY_HIGH, SCRUB_NONE,
 "apk's archive of install scripts, with the times of this install", "set SOURCE_DATE_EPOCH for apk 3, or install "
 "in a stage and copy only what you need", NULL},
{"apk-virtual", "lib/apk/db/installed|usr/lib/apk/db/installed", ENTROPY_MEDIUM, SCRUB_NONE,
 "apk --virtual packages carry a version made of the time", "apk del the virtual package in the same RUN, or name "
 "it with a fixed version (.name=1)", entropy_probe_apk_virtual},
{"apk-cache", "var/cache/apk/**|etc/apk/cache/**", ENTROPY_MEDIUM, SCRUB_DROP,
 "apk's package cache", "apk add --no-cache", NULL},
{"rpm-db", "var/lib/rpm/**|usr/lib/sysimage/rpm/**", ENTROPY_HIGH, SCRUB_NONE,
 "the rpm database records install times", "rpm builds that honour SOURCE_DATE_EPOCH, or copy files from a stage", NULL},
{"dnf-state", "var/lib/dnf/**|var/cache/dnf/**|var/cache/yum/**|var/cache/libdnf5/**|var/lib/yum/**", ENTROPY_HIGH,
 SCRUB_DROP, "dnf's history and caches", "dnf clean all; rm -rf /var/lib/dnf /var/cache/dnf", NULL},
{"machine-id", "etc/machine-id|var/lib/dbus/machine-id", ENTROPY_HIGH, SCRUB_EMPTY,
 "a random machine id, made at install", ": > /etc/machine-id", entropy_probe_machine_id},
{"ssh-host-key", "etc/ssh/ssh_host_*_key|etc/ssh/ssh_host_*_key.pub|etc/dropbear/dropbear_*_host_key", ENTROPY_HIGH,
 SCRUB_DROP, "a host key, random and secret, published in the image", "delete it; make keys at start", NULL},
{"snakeoil-key", "etc/ssl/private/ssl-cert-snakeoil.key|etc/ssl/certs/ssl-cert-snakeoil.pem", ENTROPY_HIGH, SCRUB_DROP,
 "a key pair made at install", "delete it; make keys at start", NULL},
{"random-seed", "var/lib/systemd/random-seed|var/lib/urandom/random-seed|var/lib/misc/random-seed|var/lib/seedrng/**",
 ENTROPY_HIGH, SCRUB_DROP, "a saved random seed", "delete it", NULL},
{"shadow-date", "etc/shadow|etc/shadow-", ENTROPY_MEDIUM, SCRUB_NONE,
 "the day of the last password change, set by useradd to the day of the build",
 "chage -d 0 USER after useradd, or set SOURCE_DATE_EPOCH (shadow 4.12 and later)", entropy_probe_shadow_date},
{"pyc-stamp", "**.pyc", ENTROPY_HIGH, SCRUB_DROP,
 "compiled Python with the source's time inside", "PYTHONDONTWRITEBYTECODE=1, pip --no-compile, or compileall "
 "--invalidation-mode unchecked-hash", entropy_probe_pyc_stamp},
{"git-dir", "**/.git/**|.git/**", ENTROPY_HIGH, SCRUB_DROP,
 "a git work tree's index and logs hold times and inode numbers", "add .git to .dockerignore", NULL},
{"user-cache", "root/.cache/**|home/*/.cache/**", ENTROPY_MEDIUM, SCRUB_DROP,
 "a user's cache", "rm -rf ~/.cache; pip --no-cache-dir", NULL},
{"npm-state", "root/.npm/**|home/*/.npm/**|**/node_modules/.cache/**|**/node_modules/.yarn-state.yml", ENTROPY_MEDIUM,
 SCRUB_DROP, "npm's logs and caches", "npm ci --cache /tmp/npm && rm -rf /tmp/npm ~/.npm", NULL},
{"history", "root/.*_history|home/*/.*_history|root/.wget-hsts|home/*/.wget-hsts|root/.lesshst|root/.viminfo|"
 "home/*/.viminfo", ENTROPY_MEDIUM, SCRUB_DROP, "a tool's history with times", "delete it", NULL},
{"fontconfig-cache", "var/cache/fontconfig/**|usr/share/fonts/**/.uuid", ENTROPY_MEDIUM, SCRUB_DROP,
 "fontconfig's cache with directory times", "rm -rf /var/cache/fontconfig", NULL},
{"man-cache", "var/cache/man/**", ENTROPY_MEDIUM, SCRUB_DROP, "man-db's index", "rm -rf /var/cache/man", NULL},
{"java-keystore", "etc/ssl/certs/java/cacerts|**/jre/lib/security/cacerts|**/jdk*/lib/security/cacerts", ENTROPY_MEDIUM,
 SCRUB_NONE, "a Java key store holds the time each certificate was added", "use the keystore of a pinned package",
 entropy_probe_java_keystore},
{"login-record", "var/log/lastlog|var/log/faillog|var/log/btmp*|var/log/wtmp*|var/log/tallylog", ENTROPY_LOW, SCRUB_DROP,
 "login records", "delete it", entropy_probe_not_empty},
{"log", "var/log/**", ENTROPY_MEDIUM, SCRUB_DROP, "a log", "rm -rf /var/log/* at the end of the RUN",
 entropy_probe_not_empty},
{"tmp-leftover", "tmp/**|var/tmp/**", ENTROPY_MEDIUM, SCRUB_DROP, "a left-over temporary file",
 "delete it in the same RUN, or mount a tmpfs there", NULL},
{"run-leftover", "run/**|var/run/**|var/lock/**", ENTROPY_MEDIUM, SCRUB_DROP, "run-time state (a lock, a pid)",
 "delete it", NULL},
{"docker-injected", ".dockerenv|etc/hostname|etc/resolv.conf|etc/hosts", ENTROPY_MEDIUM, SCRUB_NONE,
 "a file that a builder writes for its own container", "build with buildah or BuildKit, which do not commit it",
 entropy_probe_host_names},
{"editor-leftover", "**/.DS_Store|**/*.swp|**/*~|**/.*.un~", ENTROPY_LOW, SCRUB_DROP, "an editor's or desktop's file",
 "add it to .dockerignore", NULL},
{"pip-record", "**.dist-info/direct_url.json", ENTROPY_LOW, SCRUB_NONE,
 "the path or URL that a package was installed from", "install from a fixed path", NULL},
{"coverage-data", "**.gcda|**/.coverage", ENTROPY_MEDIUM, SCRUB_DROP, "data of a test run", "delete it", NULL},
{"build-log", "**/config.log|**/.ninja_log|**/.ninja_deps|**/CMakeFiles/**.log", ENTROPY_MEDIUM, SCRUB_DROP,
 "a build tool's log", "build in another stage and copy the product", NULL},
{"zip-times", "**.zip|**.jar|**.war|**.whl|**.egg|**.apk", ENTROPY_LOW, SCRUB_NONE,
 "zip members carry local times of the build", "strip-nondeterminism, or zip -X with fixed times",
 entropy_probe_zip_times},
{"ar-times", "**.a", ENTROPY_LOW, SCRUB_NONE, "ar members carry times", "ar rcsD (deterministic mode)",
 entropy_probe_ar_times},
{"gzip-time", "**.gz|**.tgz", ENTROPY_LOW, SCRUB_NONE, "the gzip header carries a time", "gzip -n",
 entropy_probe_gzip_time},
{NULL, NULL, ENTROPY_LOW, SCRUB_NONE, NULL, NULL, NULL},
};
// clang-format on

_Static_assert(sizeof(entropy_rules) / sizeof(entropy_rules[0]) - 1 <= 64, "a set of rules is a 64-bit mask");
