# A mail before the bill, where var.budget asks for it. It stops nothing.

resource "google_billing_budget" "month" {
  count           = var.budget == null ? 0 : 1
  provider        = google.billing
  billing_account = var.budget.billing_account
  display_name    = "NYC taxi flows: ${var.project}"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      units = tostring(floor(var.budget.amount))
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  depends_on = [time_sleep.apis]
}
