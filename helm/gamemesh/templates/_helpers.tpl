{{/* Names and labels. */}}
{{- define "gamemesh.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "gamemesh.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "gamemesh.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gamemesh.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gamemesh.selector" -}}
app.kubernetes.io/name: {{ include "gamemesh.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gamemesh.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "gamemesh.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: gamemesh
{{- end -}}

{{- define "gamemesh.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gamemesh.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gamemesh.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The Deployments to make, as YAML: name -> settings, each with `roles` for --services. */}}
{{- define "gamemesh.components" -}}
{{- $made := dict -}}
{{- if eq .Values.mode "allInOne" -}}
{{- $settings := mergeOverwrite (deepCopy .Values.defaults) (deepCopy .Values.allInOne) (dict "roles" "all") -}}
{{- if .Values.embedded.enabled -}}
{{- $settings = mergeOverwrite $settings (dict "replicas" 1 "autoscaling" (dict "enabled" false) "podDisruptionBudget" (dict "enabled" false)) -}}
{{- end -}}
{{- $_ := set $made "all" $settings -}}
{{- else -}}
{{- range $name, $own := .Values.services -}}
{{- if $own.enabled -}}
{{- $_ := set $made $name (mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own) (dict "roles" $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $made -}}
{{- end -}}

{{/* The services that answer requests: name -> name of the Kubernetes Service that serves it. */}}
{{- define "gamemesh.routes" -}}
{{- $routes := dict -}}
{{- range $name := list "state" "combat" "stats" "memory" -}}
{{- $own := index $.Values.services $name -}}
{{- if $own.enabled -}}
{{- $component := ternary "all" $name (eq $.Values.mode "allInOne") -}}
{{- $_ := set $routes $name (printf "%s-%s" (include "gamemesh.fullname" $) $component) -}}
{{- end -}}
{{- end -}}
{{- toYaml $routes -}}
{{- end -}}

{{/* What a pod takes of the connections of a pod with all services: two fifths where it has the state alone,
     a fifth where it has another one alone. */}}
{{- define "gamemesh.connections" -}}
{{- $root := index . 0 -}}
{{- $whole := index . 1 | int -}}
{{- $least := index . 2 | int -}}
{{- $fifths := dict "state" 2 "combat" 1 "stats" 1 "memory" 1 "damage-validator" 1 -}}
{{- $share := get $fifths (default "all" $root.roles) | default 5 | int -}}
{{- max $least (div (add (mul $whole $share) 4) 5) -}}
{{- end -}}

{{- define "gamemesh.databaseEnv" -}}
{{- if .Values.embedded.enabled -}}
- name: DATABASE_URL
  value: sqlite:///data/gamemesh.db
{{- else -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "postgresql.existingSecret: name the Secret that holds the database URL, or set embedded.enabled=true with mode=allInOne" .Values.postgresql.existingSecret }}
      key: {{ .Values.postgresql.secretKey }}
- name: POSTGRES_MAX_CONNS
  value: {{ include "gamemesh.connections" (list . .Values.postgresql.maxConnections 8) | quote }}
- name: POSTGRES_MIN_CONNS
  value: {{ include "gamemesh.connections" (list . .Values.postgresql.minConnections 0) | quote }}
{{- with .Values.postgresql.replicas.existingSecret }}
- name: POSTGRES_REPLICA_URLS
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.postgresql.replicas.secretKey }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What every process of the release is told. */}}
{{- define "gamemesh.env" -}}
- name: ENVIRONMENT
  value: {{ .Values.environment }}
- name: HTTP_ADDR
  value: 0.0.0.0:8080
- name: LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: LOG_FORMAT
  value: json
- name: DRAIN_DELAY
  value: {{ .Values.drainDelay | quote }}
- name: DRAIN_TIMEOUT
  value: {{ .Values.drainTimeout | quote }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: ADVERTISE_ADDR
  value: $(POD_IP):8080
{{ include "gamemesh.databaseEnv" . }}
{{- if and .Values.postgresql.ownedLanes (not .Values.embedded.enabled) }}
- name: LANES
  value: owned
{{- end }}
{{- if .Values.redis.enabled }}
- name: REDIS_URL
{{- if .Values.redis.existingSecret }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.existingSecret }}
      key: {{ .Values.redis.secretKey }}
{{- else }}
  value: {{ required "redis.url or redis.existingSecret is required when redis.enabled" .Values.redis.url | quote }}
{{- end }}
- name: REDIS_POOL_SIZE
  value: {{ .Values.redis.poolSize | quote }}
{{- end }}
{{- if .Values.kafka.enabled }}
- name: KAFKA_BROKERS
  value: {{ required "kafka.brokers is required when kafka.enabled" (join "," .Values.kafka.brokers) | quote }}
{{- if ne .Values.kafka.securityProtocol "PLAINTEXT" }}
- name: KAFKA_SECURITY_PROTOCOL
  value: {{ .Values.kafka.securityProtocol }}
{{- end }}
{{- with .Values.kafka.sasl.mechanism }}
- name: KAFKA_SASL_MECHANISM
  value: {{ . }}
{{- $secret := required "kafka.sasl.existingSecret is required with kafka.sasl.mechanism" $.Values.kafka.sasl.existingSecret }}
- name: KAFKA_SASL_USERNAME
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ $.Values.kafka.sasl.usernameKey }} } }
- name: KAFKA_SASL_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ $.Values.kafka.sasl.passwordKey }} } }
{{- end }}
{{- end }}
{{- if .Values.auth.existingSecret }}
- name: JWT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ .Values.auth.existingSecret }}
      key: {{ .Values.auth.secretKey }}
{{- else if not .Values.auth.jwksUrl }}
{{- fail "auth.existingSecret or auth.jwksUrl is required: a server that listens beyond its pod does not start without keys" }}
{{- end }}
{{- with .Values.auth.jwksUrl }}
- name: JWT_JWKS_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.auth.issuer }}
- name: JWT_ISSUER
  value: {{ . | quote }}
{{- end }}
{{- with .Values.auth.audience }}
- name: JWT_AUDIENCE
  value: {{ . | quote }}
{{- end }}
{{- with .Values.auth.peerToken.existingSecret }}
- name: PEER_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.auth.peerToken.secretKey }}
{{- end }}
{{- with .Values.tracing.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $.Values.tracing.sampleRatio | quote }}
{{- end }}
{{- if eq .Values.mode "services" }}
{{- range $name, $host := fromYaml (include "gamemesh.routes" .) }}
- name: PEER_{{ upper $name }}
  value: http://{{ $host }}:{{ $.Values.service.port }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "gamemesh.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "gamemesh.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* Combinations that no schema can refuse. */}}
{{- define "gamemesh.check" -}}
{{- if and .Values.embedded.enabled (ne .Values.mode "allInOne") -}}
{{- fail "embedded.enabled needs mode=allInOne: a file has one process" -}}
{{- end -}}
{{- if eq (len (fromYaml (include "gamemesh.components" .))) 0 -}}
{{- fail "services: at least one service must be enabled" -}}
{{- end -}}
{{- range $name, $_ := .Values.services -}}
{{- if not (has $name (list "state" "combat" "stats" "memory" "damage-validator")) -}}
{{- fail (printf "services.%s: there is no such service; known are state, combat, stats, memory, damage-validator" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
