{{/* The pod that `helm test` runs: (dict "root" $ "script" "files/…" "url" "…" "env" list). */}}
{{- define "pinnokio.testPod" -}}
{{- $root := .root -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "pinnokio.fullname" $root }}-test
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "pinnokio.labels" $root | nindent 4 }}
    app.kubernetes.io/component: test
  annotations:
    helm.sh/hook: test
    # It stays when it is done, so that `helm test --logs` and `kubectl logs` have something to read.
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  activeDeadlineSeconds: 240
  securityContext:
    {{- include "pinnokio.podSecurityContext" $root | nindent 4 }}
  {{- with include "pinnokio.scheduling" $root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $root.Values.operator.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: test
      image: {{ include "pinnokio.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [python, -c]
      args:
        - {{ $root.Files.Get .script | toJson }}
        - {{ .url | quote }}
      {{- with .env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        requests: {cpu: 20m, memory: 32Mi}
        limits: {memory: 128Mi}
      securityContext:
        {{- include "pinnokio.containerSecurityContext" $root | nindent 8 }}
{{- end -}}
