{{/* service.spec, with the chart's images where it names none. */}}
{{- define "pinnokio.serviceSpec" -}}
{{- $spec := deepCopy .Values.service.spec -}}
{{- $images := dict "image" (include "pinnokio.image" .) "imagePullPolicy" .Values.image.pullPolicy -}}
{{- with .Values.image.pullSecrets }}{{- $_ := set $images "imagePullSecrets" . -}}{{- end -}}
{{- if and .Values.valkey.image (ne (default "embedded" ($spec.valkey | default dict).mode) "external") -}}
{{- $_ := set $images "valkey" (dict "embedded" (dict "image" .Values.valkey.image)) -}}
{{- end -}}
{{- merge $spec $images | toYaml -}}
{{- end -}}

{{/* Which Secret and key hold the bearer token, as JSON {"name", "key"}; {}: none is asked for. */}}
{{- define "pinnokio.tokenRef" -}}
{{- $generated := dict "name" (printf "%s-auth" .Values.service.name) "key" "token" -}}
{{- $auth := (.Values.service.spec.api | default dict).auth | default dict -}}
{{- ternary (dict) (default $generated $auth.tokenSecretRef) (default false $auth.disabled) | toJson -}}
{{- end -}}
