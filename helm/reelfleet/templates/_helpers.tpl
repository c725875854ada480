{{- define "reelfleet.name" -}}
{{- if contains "reelfleet" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-reelfleet" (.Release.Name | trunc 30 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "reelfleet.labels" -}}
app.kubernetes.io/name: reelfleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Labels by which a part's pods are found: (dict "root" $ "part" "operator") */}}
{{- define "reelfleet.selector" -}}
app.kubernetes.io/name: reelfleet
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* An image's full name: (dict "root" $ "part" "operator") */}}
{{- define "reelfleet.image" -}}
{{- $images := .root.Values.images -}}
{{- with $images.registry }}{{ . | trimSuffix "/" }}/{{ end }}{{ (index $images .part).repository }}:{{ $images.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Namespaces with worker pods, as YAML. */}}
{{- define "reelfleet.workerNamespaces" -}}
{{- if .Values.workers.namespaces }}{{ toYaml .Values.workers.namespaces }}
{{- else if .Values.watchNamespaces }}{{ toYaml .Values.watchNamespaces }}
{{- else }}{{ toYaml (list .Release.Namespace) }}{{ end }}
{{- end }}

{{/* Namespaces in which the store is mounted: those of the workers and the release's own, which has the gateway. */}}
{{- define "reelfleet.storeNamespaces" -}}
{{- append (include "reelfleet.workerNamespaces" . | fromYamlArray) .Release.Namespace | uniq | toYaml }}
{{- end }}

{{- define "reelfleet.storeUri" -}}
{{- $s := .Values.store -}}
{{- $given := list -}}
{{- if $s.s3.uri }}{{ $given = append $given "store.s3.uri" }}{{ end -}}
{{- if $s.claim }}{{ $given = append $given "store.claim" }}{{ end -}}
{{- if $s.hostPath }}{{ $given = append $given "store.hostPath" }}{{ end -}}
{{- if not $given }}
{{- fail "\n\nWorkers and gateway need one store that all of them reach: set store.s3.uri (s3://bucket/prefix) or store.claim (an existing ReadWriteMany PersistentVolumeClaim); on a cluster of one machine store.hostPath (a folder) will do.\n" }}
{{- end -}}
{{- if gt (len $given) 1 }}
{{- fail (printf "\n\nThere is one store only: leave all but one of %s out.\n" (join ", " $given)) }}
{{- end -}}
{{- if $s.s3.uri }}{{ $s.s3.uri }}{{ else }}file:/store{{ end }}
{{- end }}

{{/* Name of the claim that is mounted at /store; empty with S3. */}}
{{- define "reelfleet.storeClaim" -}}
{{- if .Values.store.claim }}{{ .Values.store.claim }}{{ else if .Values.store.hostPath }}{{ include "reelfleet.name" . }}-store{{ end }}
{{- end }}

{{- define "reelfleet.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "reelfleet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "reelfleet.s3Environment" -}}
{{- with .Values.store.s3.endpoint }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ . | quote }}
{{- end }}
{{- with .Values.store.s3.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "reelfleet.probes" -}}
startupProbe:
  httpGet: {path: /q/health/started, port: management}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /q/health/live, port: management}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /q/health/ready, port: management}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "reelfleet.gatewayUrl" -}}
{{- if .Values.gateway.url }}{{ .Values.gateway.url | trimSuffix "/" }}
{{- else if and .Values.gateway.ingress.enabled .Values.gateway.ingress.host }}{{ ternary "https" "http" (ne .Values.gateway.ingress.tlsSecret "") }}://{{ .Values.gateway.ingress.host }}
{{- else }}http://{{ include "reelfleet.name" . }}-gateway.{{ .Release.Namespace }}.svc{{ if ne (int .Values.gateway.service.port) 80 }}:{{ .Values.gateway.service.port }}{{ end }}
{{- end }}
{{- end }}
