"""Stand-ins for Pulumi plugins that no package registry carries.

They lie in a folder which only the commands of a local environment put on PATH, so that plugins which a user has
installed are never shadowed: see `tenbin_local.plugins.install.install_plugins`.
"""
