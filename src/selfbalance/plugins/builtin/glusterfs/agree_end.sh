{% include "agree_woken.sh" %}
sed -i '/^nfs.disable=/d' {{ info }} || exit 1
{% include "agree_back.sh" %}
