# A worker that is always on: it asks Prefect for runs and starts a Cloud Run job for each.

resource "google_cloud_run_v2_service" "worker" {
  name                = "tlc-worker"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = var.keep_data

  template {
    annotations     = local.secrets_annotation
    service_account = google_service_account.worker.email

    # It works without being asked: exactly one, with its CPU all the time.
    scaling {
      min_instance_count = 1
      max_instance_count = 1
    }

    containers {
      image = data.google_artifact_registry_docker_image.flows.self_link

      ports {
        container_port = 8080
      }

      resources {
        limits            = { cpu = "1", memory = "1Gi" }
        cpu_idle          = false
        startup_cpu_boost = true
      }

      env {
        name  = "PREFECT_API_URL"
        value = local.prefect_api_url
      }
      env {
        name  = "WORK_POOL"
        value = var.work_pool
      }
      # The pool is made after the worker, by deployments.apply, and so cannot tell it.
      env {
        name  = "WORKER_TYPE"
        value = "cloud-run-v2"
      }
      env {
        name  = "WORKER_LIMIT"
        value = tostring(var.worker_limit)
      }
      env {
        name = local.credential_variable
        value_source {
          secret_key_ref {
            secret  = google_secret_manager_secret.prefect_credential.secret_id
            version = "latest"
          }
        }
      }

      # 503 once it has stopped asking Prefect for runs: then it is started again.
      startup_probe {
        initial_delay_seconds = 10
        period_seconds        = 10
        timeout_seconds       = 5
        failure_threshold     = 12
        http_get {
          path = "/health"
        }
      }
      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 10
        failure_threshold = 4
        http_get {
          path = "/health"
        }
      }
    }
  }

  # After the server: a worker that shows a new password to one that still has the old does not become healthy.
  depends_on = [
    google_cloud_run_v2_service.server,
    google_secret_manager_secret_version.prefect_credential,
    time_sleep.grants,
  ]
}
