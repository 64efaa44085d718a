# dnf, zypper and pacman, which Debian packages: each writes its state and logs.
#
# yes package-log var/log/dnf.log
# yes package-log var/log/hawkey.log
# yes package-log var/log/zypp/history
# yes package-log var/log/pacman.log
# no package-log etc/pacman.conf
# yes dnf-state var/lib/dnf/history.sqlite
# no dnf-state etc/dnf/dnf.conf
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends rpm dnf zypper \
	pacman-package-manager
RUN mkdir /srv/rpm && cd /srv/rpm && printf '%s\n' 'Name: hello' 'Version: 1' 'Release: 1' 'Summary: hello' 'License: none' \
	'BuildArch: noarch' '%description' 'hello' '%files' >hello.spec && rpmbuild -bb --define '_topdir /srv/rpm' hello.spec
RUN dnf install -y --disablerepo='*' --nogpgcheck /srv/rpm/RPMS/noarch/hello-1-1.noarch.rpm; true
RUN zypper --non-interactive addrepo --no-check dir:/srv/rpm/RPMS local; zypper --non-interactive removerepo local; \
	pacman -Sy --noconfirm; true
