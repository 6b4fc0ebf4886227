output "environment" {
  description = "What `python -m deployments.apply` and `python -m blocks.register` read, as lines for a shell: eval \"$(terraform output -raw environment)\""
  value = join("\n", [for name, value in merge(
    {
      PREFECT_API_URL                   = "'${local.prefect_api_url}'"
      PREFECT_FLOWS_HEARTBEAT_FREQUENCY = "30" # as in the image: the automation that finds silent runs is made from it
      TLC_GCP_PROJECT                   = "'${var.project}'"
      TLC_GCP_REGION                    = "'${var.region}'"
      TLC_GCP_RUN_MEMORY                = "'${var.job_memory}'"
      TLC_GCP_RUN_SERVICE_ACCOUNT       = "'${google_service_account.flow.email}'"
      TLC_IMAGE                         = "'${data.google_artifact_registry_docker_image.flows.self_link}'"
      TLC_LAKE_URL                      = "'gs://${google_storage_bucket.lake.name}'"
      TLC_PROJECT_DIR                   = "/app"
      TLC_WAREHOUSE_URL                 = "'bigquery://${var.project}/${google_bigquery_dataset.warehouse.dataset_id}?location=${var.location}'"
      (local.is_prefect_cloud ? "TLC_GCP_API_KEY_SECRET" : "TLC_GCP_AUTH_STRING_SECRET") = "'${jsonencode({
        secret  = google_secret_manager_secret.prefect_credential.secret_id
        version = "latest"
      })}'"
      # The secret itself is read when the line is run, by who may read it.
      (local.credential_variable) = "\"$(gcloud secrets versions access latest --project=${var.project} --secret=${google_secret_manager_secret.prefect_credential.secret_id})\""
    },
    var.postgres ? {
      TLC_GCP_CLOUD_SQL_INSTANCES = "'${jsonencode(google_sql_database_instance.postgres[*].connection_name)}'"
      TLC_POSTGRES_URL            = "\"$(gcloud secrets versions access latest --project=${var.project} --secret=${google_secret_manager_secret.database_url["tlc"].secret_id})\""
    } : {},
  ) : "export ${name}=${value}"])
}

output "image" {
  description = "Where the image is to be pushed."
  value       = "${local.repository}/${local.image_name}"
}

output "postgres_instance" {
  description = "The Cloud SQL instance, for roles.sh and cloud-sql-proxy, with var.postgres."
  value       = local.postgres_instance
}

output "registry" {
  description = "For gcloud auth configure-docker."
  value       = split("/", local.repository)[0]
}

output "server_url" {
  description = "The Prefect server's UI, with var.server."
  value       = var.server ? local.server_url : null
}

output "worker" {
  description = "The worker's service, for gcloud run services logs read --region=…."
  value       = google_cloud_run_v2_service.worker.name
}
