"""Real host keys for tests, with the fingerprints that `ssh-keygen -lf` printed for them."""

from __future__ import annotations

from typing import Final

ED25519: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOutzeH22QuNzDebsCdzvNgJ0DwcKbZYian0rI2dLQE4"
ED25519_FINGERPRINT: Final = "SHA256:APBRWf5az4yieDvUAb3dvjGcp37dcvpeAp3x3AxwHQ8"
RSA: Final = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCK9NrrX+GY3iq2upzV1bCY7SRvvb1GF5F4+AtYHrzBZrxnKjP9hF"
    "ZWRoAoJWtSinxH5v78ESsoFIfqL8k1HqpfnPi8iomAuodZpiifhW506qfRZwwbH+PpwLQhBMxGzfNsq8Y5fV1atmVL"
    "9s6K9j2Q2CrtzMtUuTpvizhwRj3GELTpPKeu0qh9n4An4Av0PCACF5GBRUwssDD3GPUQzgGnfP2w7VFnDSLz8tV5eg"
    "+RQlNnxz7v4EtUftwq8/t4a4RERz+2NE7HIEeoyZRxZldgnxUijXQVFGPRLXGi0pMmM8NwmcnmPGSvnXWpiJs2jY+M"
    "QoeOYDFRlmjBf/GsL5Y5"
)
RSA_FINGERPRINT: Final = "SHA256:c9bJ8hwlUJOxWs09ko88s/4+UNP5XmG7g8HwIQdyKec"
ECDSA: Final = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBN13Bjkn2djKMv67tJ"
    "bfthT+zGXV8FIvMlFzwlLP0j8+z4AhjOUEb5lbCICmQ1QV9/6pRD63K1UVG+NCFN9eDnM="
)
ECDSA_FINGERPRINT: Final = "SHA256:nVa3NQHPwQqjAN0v8APeITFEXtItoH7N9y4UL7QbaAo"
