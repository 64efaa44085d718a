# What apt, dpkg and the services of a Debian image leave behind.
#
# yes apt-pkgcache var/cache/apt/pkgcache.bin
# yes apt-pkgcache var/cache/apt/srcpkgcache.bin
# no apt-pkgcache var/lib/dpkg/status
# yes ldconfig-aux-cache var/cache/ldconfig/aux-cache
# no ldconfig-aux-cache etc/ld.so.cache
# yes apt-log var/log/apt/history.log
# yes apt-log var/log/apt/term.log
# no apt-log var/lib/apt/extended_states
# yes dpkg-log var/log/dpkg.log
# no dpkg-log var/lib/dpkg/diversions
# yes machine-id etc/machine-id
# yes ssh-host-key etc/ssh/ssh_host_ed25519_key.pub
# no ssh-host-key etc/ssh/ssh_config
# yes snakeoil-key etc/ssl/certs/ssl-cert-snakeoil.pem
# no snakeoil-key etc/ssl/openssl.cnf
# yes random-seed var/lib/systemd/random-seed
# no random-seed var/lib/systemd/deb-systemd-helper-enabled/*.dsh-also
# yes fontconfig-cache var/cache/fontconfig/*.cache-*
# no fontconfig-cache etc/fonts/fonts.conf
# yes man-cache var/cache/man/oldlocal/index.db
# no man-cache usr/share/man/man1/man.1.gz
# yes login-record var/log/wtmp
# yes log var/log/redis/redis-server.log
# yes run-leftover run/redis/redis-server.pid
# no run-leftover etc/init.d/redis-server
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ssl-cert \
	openssh-server dbus systemd systemd-sysv man-db fontconfig fonts-dejavu-core redis-server libnghttp2-14
# A service that was tried out in the build, and killed.
RUN mkdir -p /run/redis; redis-server --port 0 --unixsocket /run/redis/redis.sock --logfile /var/log/redis/redis-server.log \
	--pidfile /run/redis/redis-server.pid --daemonize yes; sleep 1; kill -9 "$(cat /run/redis/redis-server.pid)"; true
# A program of one's own, with its page, and the index made anew.
RUN mkdir -p /usr/local/share/man/man1 && \
	printf '.TH hello 1\n.SH NAME\nhello \\- says hello\n' >/usr/local/share/man/man1/hello.1 && mandb -q
RUN /lib/systemd/systemd-random-seed save; halt --wtmp-only; true
