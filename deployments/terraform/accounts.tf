# Who may do what. No keys are made: Cloud Run gives its processes the identity of their account.

resource "google_service_account" "flow" {
  account_id   = "tlc-flow"
  display_name = "NYC taxi flows: a flow run"
  depends_on   = [time_sleep.apis]
}

resource "google_service_account" "worker" {
  account_id   = "tlc-worker"
  display_name = "NYC taxi flows: the worker that starts flow runs"
  depends_on   = [time_sleep.apis]
}

# ---- A flow run: reads and writes the data, nothing else ----

resource "google_storage_bucket_iam_member" "flow_lake" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectUser"
  member = google_service_account.flow.member
}

resource "google_bigquery_dataset_iam_member" "flow_warehouse" {
  dataset_id = google_bigquery_dataset.warehouse.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.flow.member
}

resource "google_bigquery_dataset_iam_member" "flow_models" {
  for_each   = google_bigquery_dataset.models
  dataset_id = each.value.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.flow.member
}

resource "google_project_iam_member" "flow_jobs" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.flow.member
}

# ---- The worker: starts jobs that run as the flow's account ----

# roles/run.developer would let it change every service of the project too.
resource "google_project_iam_custom_role" "job_starter" {
  role_id     = "tlcJobStarter"
  title       = "NYC taxi flows: start Cloud Run jobs"
  description = "What the worker of a cloud-run-v2 work pool needs, and no right on services"
  permissions = [
    "run.executions.cancel",
    "run.executions.get",
    "run.executions.list",
    "run.jobs.create",
    "run.jobs.delete",
    "run.jobs.get",
    "run.jobs.run",
    "run.jobs.runWithOverrides",
    "run.operations.get",
  ]
  depends_on = [time_sleep.apis]
}

resource "google_project_iam_member" "worker_jobs" {
  project = var.project
  role    = google_project_iam_custom_role.job_starter.name
  member  = google_service_account.worker.member
}

resource "google_service_account_iam_member" "worker_acts_as_flow" {
  service_account_id = google_service_account.flow.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.worker.member
}

resource "google_artifact_registry_repository_iam_member" "worker_image" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.worker.member
}

# ---- Both show a credential to Prefect's API ----

resource "google_secret_manager_secret_iam_member" "prefect_credential" {
  for_each  = { flow = google_service_account.flow.member, worker = google_service_account.worker.member }
  secret_id = google_secret_manager_secret.prefect_credential.id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value
}

# ---- A right counts two minutes or so after it is given: a service that starts before cannot read its secrets ----

resource "time_sleep" "grants" {
  create_duration = "120s"
  triggers = merge(
    { worker_image = google_artifact_registry_repository_iam_member.worker_image.id },
    { for account, right in google_secret_manager_secret_iam_member.prefect_credential : "${account}_credential" => right.id },
    { for name, right in google_secret_manager_secret_iam_member.server : name => right.id },
    { for right in google_project_iam_member.server_postgres : "server_postgres" => right.id },
  )
}
