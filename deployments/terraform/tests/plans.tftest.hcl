# What a plan has in each configuration. Nothing is made: the providers are mocked.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_data "google_artifact_registry_docker_image" {
    defaults = { self_link = "us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows@sha256:0a1b" }
  }
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  project            = "my-project-1234"
  image_tag          = "0a1b2c3"
  prefect_api_url    = "https://prefect.example.org/api"
  prefect_credential = "tlc:a-password-for-this-test"
}

run "a_worker_for_a_server_elsewhere" {
  command = plan

  assert {
    condition     = length(google_sql_database_instance.postgres) == 0 && length(google_cloud_run_v2_service.server) == 0
    error_message = "Cloud SQL and a server are made without being asked for"
  }
  assert {
    condition     = google_cloud_run_v2_service.worker.template[0].containers[0].liveness_probe[0].http_get[0].path == "/health"
    error_message = "the worker has no liveness probe"
  }
  assert {
    condition     = [for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.value if env.name == "PREFECT_API_URL"][0] == "https://prefect.example.org/api"
    error_message = "the worker asks another server"
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.value if env.name == "WORKER_TYPE"]) == "cloud-run-v2"
    error_message = "the worker would be one of processes: the pool is made after it"
  }
  assert {
    condition     = google_storage_bucket.lake.name == "my-project-1234-tlc-lake" && google_storage_bucket.lake.uniform_bucket_level_access
    error_message = "the bucket is another one"
  }
  assert {
    condition     = [for right in google_bigquery_dataset_iam_member.flow_models : right.dataset_id] == ["tlc_marts", "tlc_staging"]
    error_message = "a flow run may not write the models' datasets, or would have to make them"
  }
}

run "prefect_cloud_takes_a_key" {
  command = plan

  variables {
    prefect_api_url    = "https://api.prefect.cloud/api/accounts/0a1b/workspaces/2c3d"
    prefect_credential = "pnu_0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f"
  }
  assert {
    condition     = contains(google_cloud_run_v2_service.worker.template[0].containers[0].env[*].name, "PREFECT_API_KEY")
    error_message = "the worker has no API key"
  }
}

run "everything_here" {
  command = plan

  variables {
    prefect_api_url    = null
    postgres           = true
    server             = true
    lake_rejected_days = 30
  }
  assert {
    condition     = toset(keys(google_sql_database.databases)) == toset(["tlc", "prefect"])
    error_message = "trips and server do not have a database each"
  }
  assert {
    condition     = google_sql_user.prefect[*].name == ["prefect"]
    error_message = "a flow run's user is made by Google's API, and so may drop every database"
  }
  assert {
    condition     = alltrue([for each in concat(google_sql_user.prefect, values(google_sql_database.databases)) : each.deletion_policy == "ABANDON"])
    error_message = "destroy ends at Postgres' refusal to drop a user that owns tables"
  }
  assert {
    condition     = contains(keys(google_project_service.apis), "cloudresourcemanager.googleapis.com")
    error_message = "rights on the project cannot be given"
  }
  assert {
    condition     = output.server_url == "https://tlc-server-123456789012.us-east4.run.app"
    error_message = "the server's address is not known before it is there"
  }
  assert {
    condition     = [for env in google_cloud_run_v2_service.worker.template[0].containers[0].env : env.value if env.name == "PREFECT_API_URL"][0] == "${output.server_url}/api"
    error_message = "the worker does not ask the server made here"
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_service.server[0].template[0].containers[0].env : env.value_source[0].secret_key_ref[0].secret if env.name == "PREFECT_SERVER_API_AUTH_STRING"]) == "tlc-prefect-credential"
    error_message = "the server, which is open to everybody, asks nobody for a password"
  }
  assert {
    condition     = one([for env in google_cloud_run_v2_service.server[0].template[0].containers[0].env : env.value if env.name == "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER"]) == "P1D"
    error_message = "what falls silent while the server is down is forgotten"
  }
  assert {
    condition     = google_cloud_run_v2_service.server[0].invoker_iam_disabled
    error_message = "Prefect's clients, which show no identity of Google's, do not reach the server"
  }
  assert {
    condition     = google_cloud_run_v2_service.server[0].template[0].max_instance_request_concurrency == 1000
    error_message = "the streams of many clients would wait for each other"
  }
}

run "secrets_written_anew_reach_who_reads_them" {
  command = plan

  variables {
    prefect_api_url = null
    postgres        = true
    server          = true
    secrets_version = 2
  }
  assert {
    condition = alltrue([for template in [
      google_cloud_run_v2_service.server[0].template[0],
      google_cloud_run_v2_service.worker.template[0],
    ] : template.annotations["secrets-version"] == "2"])
    error_message = "server or worker keep the old password: nothing in their template changes"
  }
  assert {
    condition     = alltrue([for each in concat(google_sql_user.prefect[*].password_wo_version, values(google_secret_manager_secret_version.database_url)[*].secret_data_wo_version) : each == 2])
    error_message = "a database's password and what its secret says are not written together"
  }
}

run "neither_server_nor_url" {
  command = plan
  variables {
    prefect_api_url = null
  }
  expect_failures = [var.prefect_api_url]
}

run "a_server_without_a_database" {
  command = plan
  variables {
    prefect_api_url = null
    server          = true
  }
  expect_failures = [var.server]
}

run "a_url_without_tls" {
  command = plan
  variables {
    prefect_api_url = "http://prefect.example.org/api"
  }
  expect_failures = [var.prefect_api_url]
}

run "a_short_password" {
  command = plan
  variables {
    prefect_credential = "tlc:short"
  }
  expect_failures = [var.prefect_credential]
}

run "a_key_for_a_server_elsewhere" {
  command = plan
  variables {
    prefect_credential = "pnu_0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f"
  }
  expect_failures = [var.prefect_credential]
}

run "a_key_as_the_password_of_a_server_here" {
  command = plan
  variables {
    prefect_api_url    = null
    postgres           = true
    server             = true
    prefect_credential = "pna_0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f"
  }
  expect_failures = [var.prefect_credential]
}

run "a_password_for_prefect_cloud" {
  command = plan
  variables {
    prefect_api_url = "https://api.prefect.cloud/api/accounts/0a1b/workspaces/2c3d"
  }
  expect_failures = [var.prefect_credential]
}

run "half_a_key_for_prefect_cloud" {
  command = plan
  variables {
    prefect_api_url    = "https://api.prefect.cloud/api/accounts/0a1b/workspaces/2c3d"
    prefect_credential = "pnu_1234567890"
  }
  expect_failures = [var.prefect_credential]
}

run "an_american_region_for_european_data" {
  command = plan
  variables {
    location = "EU" # the region is us-east4, unless it is given
  }
  expect_failures = [var.region]
}

run "a_european_region_outside_of_eu" {
  command = plan
  variables {
    location = "EU"
    region   = "europe-west2"
  }
  expect_failures = [var.region]
}

run "two_regions" {
  command = plan
  variables {
    location = "europe-west3"
    region   = "europe-west1"
  }
  expect_failures = [var.region]
}

run "european_data" {
  command = plan
  variables {
    location = "EU"
    region   = "europe-west1"
  }
}

run "one_region" {
  command = plan
  variables {
    location = "europe-west2"
    region   = "europe-west2"
  }
}

run "a_budget" {
  command = plan
  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 100 }
  }
  assert {
    condition     = google_billing_budget.month[0].amount[0].specified_amount[0].units == "100" && one(google_billing_budget.month[0].budget_filter[0].projects) == "projects/123456789012"
    error_message = "the budget is of another amount, or of other projects too"
  }
  assert {
    condition     = join(" ", google_billing_budget.month[0].threshold_rules[*].threshold_percent) == "0.5 0.9 1"
    error_message = "nobody is told before the amount is reached"
  }
  assert {
    condition     = contains(keys(google_project_service.apis), "billingbudgets.googleapis.com")
    error_message = "the API of budgets is not enabled"
  }
}

run "a_budget_without_an_amount" {
  command = plan
  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 0 }
  }
  expect_failures = [var.budget]
}

run "soft_delete_between" {
  command = plan
  variables {
    lake_soft_delete_days = 3
  }
  expect_failures = [var.lake_soft_delete_days]
}

run "what_feeds_the_registration" {
  command = apply

  variables {
    prefect_api_url = null
    postgres        = true
    server          = true
  }
  assert {
    condition = alltrue([for line in [
      "export PREFECT_API_URL='https://tlc-server-123456789012.us-east4.run.app/api'",
      "export PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30",
      "export TLC_GCP_PROJECT='my-project-1234'",
      "export TLC_LAKE_URL='gs://my-project-1234-tlc-lake'",
      "export TLC_WAREHOUSE_URL='bigquery://my-project-1234/tlc?location=US'",
      "export TLC_IMAGE='us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows@sha256:0a1b'",
      "export TLC_GCP_AUTH_STRING_SECRET='{\"secret\":\"tlc-prefect-credential\",\"version\":\"latest\"}'",
      "export PREFECT_API_AUTH_STRING=\"$(gcloud secrets versions access latest --project=my-project-1234 --secret=tlc-prefect-credential)\"",
      "export TLC_POSTGRES_URL=\"$(gcloud secrets versions access latest --project=my-project-1234 --secret=tlc-postgres-url)\"",
    ] : strcontains(output.environment, line)])
    error_message = "the environment lacks something: ${output.environment}"
  }
  assert {
    condition     = output.image == "us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows:0a1b2c3"
    error_message = "the image is pushed elsewhere"
  }
  assert {
    condition = alltrue([for template in [
      google_cloud_run_v2_service.server[0].template[0],
      google_cloud_run_v2_service.worker.template[0],
    ] : endswith(template.containers[0].image, "@sha256:0a1b")])
    error_message = "server or worker change with a tag that is pushed anew"
  }
  assert {
    condition = length(setsubtract(
      concat(
        values(google_secret_manager_secret_iam_member.server)[*].id,
        values(google_secret_manager_secret_iam_member.prefect_credential)[*].id,
        google_project_iam_member.server_postgres[*].id,
      ),
      values(time_sleep.grants.triggers),
    )) == 0
    error_message = "a new right would not be waited for"
  }
}
