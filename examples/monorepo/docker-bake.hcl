group "default" {
  targets = ["web", "api", "worker"]
}

target "_common" {
  platforms = ["linux/amd64"]
  args = { VERSION = "1.4.2" }
}

# What web and api have in common; it is built once, and published by nobody.
target "assets" {
  inherits = ["_common"]
  context  = "assets"
}

target "web" {
  inherits = ["_common"]
  context  = "web"
  contexts = { assets = "target:assets" }
}

target "api" {
  inherits = ["_common"]
  context  = "api"
  contexts = { assets = "target:assets" }
}

target "worker" {
  inherits = ["_common"]
  context  = "worker"
}
