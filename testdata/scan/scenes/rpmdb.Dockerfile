# A package built and installed by rpm. Debian's keeps its database in the user's home unless it is told the usual place.
#
# yes rpm-db var/lib/rpm/rpmdb.sqlite
# no rpm-db usr/lib/rpm/macros
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends rpm
RUN mkdir /srv/rpm && cd /srv/rpm && printf '%s\n' 'Name: hello' 'Version: 1' 'Release: 1' 'Summary: hello' 'License: none' \
	'BuildArch: noarch' '%description' 'hello' '%files' >hello.spec && rpmbuild -bb --define '_topdir /srv/rpm' hello.spec && \
	rpm --dbpath /var/lib/rpm --force-debian -i RPMS/noarch/hello-1-1.noarch.rpm
