# All that can be made, for checkov: what is not made by default is checked too.
project   = "my-project-1234"
image_tag = "0a1b2c3"
postgres  = true
server    = true
budget    = { billing_account = "012345-6789AB-CDEF01", amount = 100 }
