{{/* Annotations of the CRD hook's parts; the argument is the weight. A failed Job stays, with its log. */}}
{{- define "pinnokio.crdHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
