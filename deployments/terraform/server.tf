# A Prefect server of one process, where var.server asks for it. Several processes: docs/server.md.

locals {
  # Cloud Run gives a service this address too, known before the service is there.
  server_url      = "https://tlc-server-${data.google_project.this.number}.${var.region}.run.app"
  prefect_api_url = var.server ? "${local.server_url}/api" : var.prefect_api_url

  server_secrets = var.server ? {
    PREFECT_SERVER_API_AUTH_STRING         = google_secret_manager_secret.prefect_credential.secret_id
    PREFECT_SERVER_DATABASE_CONNECTION_URL = google_secret_manager_secret.database_url["prefect"].secret_id
    PREFECT_SERVER_ENCRYPTION_KEY          = one(google_secret_manager_secret.encryption_key[*].secret_id)
  } : {}
}

resource "google_service_account" "server" {
  count        = var.server ? 1 : 0
  account_id   = "tlc-server"
  display_name = "NYC taxi flows: the Prefect server"
  depends_on   = [time_sleep.apis]
}

# Blocks are encrypted with it. 32 bytes; url-safe, as 43 letters and digits and the padding are.
ephemeral "random_password" "encryption_key" {
  count   = var.server ? 1 : 0
  length  = 42
  special = false
}

resource "google_secret_manager_secret" "encryption_key" {
  count     = var.server ? 1 : 0
  secret_id = "tlc-prefect-encryption-key"
  replication {
    auto {}
  }
  depends_on = [time_sleep.apis]
}

resource "google_secret_manager_secret_version" "encryption_key" {
  count  = var.server ? 1 : 0
  secret = google_secret_manager_secret.encryption_key[0].id
  # "A" keeps the two bits that base64 has too many at zero. Written once: another key cannot read the blocks.
  secret_data_wo         = "${ephemeral.random_password.encryption_key[0].result}A="
  secret_data_wo_version = 1
}

resource "google_secret_manager_secret_iam_member" "server" {
  for_each  = local.server_secrets
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.server[0].member
}

resource "google_project_iam_member" "server_postgres" {
  count   = var.server ? 1 : 0
  project = var.project
  role    = "roles/cloudsql.client"
  member  = google_service_account.server[0].member
}

resource "google_cloud_run_v2_service" "server" {
  count               = var.server ? 1 : 0
  name                = "tlc-server"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = var.keep_data

  # Prefect's clients show user and password, not an identity of Google: the server itself asks everybody for them
  # (PREFECT_SERVER_API_AUTH_STRING). An organization may forbid the other way, a grant to allUsers.
  invoker_iam_disabled = true

  template {
    annotations     = local.secrets_annotation
    service_account = google_service_account.server[0].email
    timeout         = "3600s" # the stream of events is one long request

    # Each stream is a request that stays open: as many as Cloud Run allows, since there is no second instance.
    max_instance_request_concurrency = 1000

    # Its scheduler works without being asked, and there must not be two.
    scaling {
      min_instance_count = 1
      max_instance_count = 1
    }

    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [google_sql_database_instance.postgres[0].connection_name]
      }
    }

    containers {
      image   = data.google_artifact_registry_docker_image.flows.self_link
      command = ["prefect", "server", "start", "--host", "0.0.0.0", "--port", "4200"]

      ports {
        container_port = 4200
      }

      resources {
        limits            = { cpu = "1", memory = "2Gi" }
        cpu_idle          = false
        startup_cpu_boost = true
      }

      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }

      env {
        name  = "PREFECT_SERVER_UI_API_URL"
        value = "${local.server_url}/api"
      }
      env {
        name  = "PREFECT_UI_URL"
        value = local.server_url
      }
      # What fell silent while the server was down is noticed when it is up again (default: within a minute).
      env {
        name  = "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER"
        value = "P1D"
      }
      dynamic "env" {
        for_each = local.server_secrets
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      startup_probe {
        initial_delay_seconds = 10
        period_seconds        = 10
        timeout_seconds       = 5
        failure_threshold     = 24
        http_get {
          path = "/api/health"
        }
      }
      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 10
        failure_threshold = 4
        http_get {
          path = "/api/health"
        }
      }
    }
  }

  depends_on = [
    time_sleep.grants,
    google_secret_manager_secret_version.encryption_key,
    google_secret_manager_secret_version.prefect_credential,
    google_secret_manager_secret_version.database_url,
    google_sql_database.databases,
    google_sql_user.prefect,
  ]
}
