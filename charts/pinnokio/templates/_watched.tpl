{{/* Which namespaces are watched. Values that contradict each other are refused here. */}}

{{/* {"namespaces": […]}, as JSON; empty: all of the cluster. */}}
{{- define "pinnokio.watched" -}}
{{- $namespaces := .Values.watchNamespaces -}}
{{- if .Values.rbac.clusterWide -}}
{{- if $namespaces -}}
{{- fail "\n\nrbac.clusterWide watches every namespace: leave watchNamespaces empty, or set rbac.clusterWide to false." -}}
{{- end -}}
{{- else if not $namespaces -}}
{{- $namespaces = list .Release.Namespace -}}
{{- end -}}
{{- if and .Values.service.enabled $namespaces (not (has .Release.Namespace $namespaces)) -}}
{{- fail (printf "\n\nservice.enabled makes a PinnokioService in %q, which is not watched: add it to watchNamespaces." .Release.Namespace) -}}
{{- end -}}
{{- dict "namespaces" $namespaces | toJson -}}
{{- end -}}
