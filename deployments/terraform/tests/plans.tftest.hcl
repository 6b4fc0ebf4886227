# What a plan has in each configuration. Nothing is made: the providers are mocked.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project            = "my-project-1234"
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
    prefect_credential = "pnu_1234567890"
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
    condition     = alltrue([for each in concat(values(google_sql_user.users), values(google_sql_database.databases)) : each.deletion_policy == "ABANDON"])
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
    condition     = alltrue([for each in concat(values(google_sql_user.users)[*].password_wo_version, values(google_secret_manager_secret_version.database_url)[*].secret_data_wo_version) : each == 2])
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
      "export TLC_IMAGE='us-east4-docker.pkg.dev/my-project-1234/nyc-taxi-flows/nyc-taxi-flows:latest'",
      "export TLC_GCP_AUTH_STRING_SECRET='{\"secret\":\"tlc-prefect-credential\",\"version\":\"latest\"}'",
      "export PREFECT_API_AUTH_STRING=\"$(gcloud secrets versions access latest --project=my-project-1234 --secret=tlc-prefect-credential)\"",
      "export TLC_POSTGRES_URL=\"$(gcloud secrets versions access latest --project=my-project-1234 --secret=tlc-postgres-url)\"",
    ] : strcontains(output.environment, line)])
    error_message = "the environment lacks something: ${output.environment}"
  }
}
