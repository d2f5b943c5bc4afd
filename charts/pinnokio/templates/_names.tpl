{{/* Names and labels of what the chart installs. */}}

{{- define "pinnokio.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters at most, so that a suffix still fits in a name of 63. */}}
{{- define "pinnokio.fullname" -}}
{{- $name := include "pinnokio.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Roles stand in foreign namespaces, cluster roles in none: the release's namespace makes their names unique. */}}
{{- define "pinnokio.roleName" -}}
{{- printf "%s:%s" (include "pinnokio.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "pinnokio.serviceAccountName" -}}
{{- $own := printf "%s-operator" (include "pinnokio.fullname" .) -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "\n\nserviceAccount.create is false: serviceAccount.name must name the service account that is there." -}}
{{- end -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{/* What a selector may hold: it never changes. */}}
{{- define "pinnokio.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pinnokio.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pinnokio.labels" -}}
{{ include "pinnokio.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "pinnokio.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
