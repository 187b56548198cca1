{% include "agree_woken.sh" %}
{% include "agree_back.sh" %}
