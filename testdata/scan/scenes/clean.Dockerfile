# The remedies: what the rules must not name once they are applied.
#
# no machine-id etc/machine-id
# no shadow-date etc/shadow
# no login-record var/log/wtmp
# no log var/log/btmp
FROM scratch
ADD base.tar /
RUN useradd app && : >/etc/machine-id && cut -d: -f1 /etc/shadow | xargs -n 1 chage -d 0
