# A mirror that moves between two builds: the first finds version 1 of a package there, the second version 2.
#
# yes apt-lists var/lib/apt/lists/*_Packages
# no apt-lists var/lib/apt/lists/lock
# yes apt-archives var/cache/apt/archives/*.deb
# no apt-archives var/cache/apt/archives/lock
# yes debconf-old var/lib/dpkg/status-old
# no debconf-old var/cache/debconf/config.dat
FROM scratch
ADD base.tar /
ARG MIRROR
RUN rm -rf /etc/apt/sources.list* && echo "deb [trusted=yes] $MIRROR ./" >/etc/apt/sources.list && apt-get update && \
	apt-get install -y moved
