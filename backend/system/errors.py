"""What can go wrong with the machine and the settings of the dashboard."""

from __future__ import annotations

from backend.errors import HearthError


class SystemIssue(HearthError):
    """Base of this branch."""

    code = "system_issue"


class UnknownPreference(SystemIssue):
    """The name is not a setting."""

    code = "unknown_setting"
    status = 404
    default_hint = "GET /api/settings lists every setting."


class InvalidPreference(SystemIssue):
    """The value is not allowed; nothing was changed."""

    code = "invalid_setting_value"
    status = 422
    default_hint = "GET /api/settings shows each setting with its unit."


class PreferenceSetByEnvironment(SystemIssue):
    """The environment holds this setting, so the dashboard cannot change it."""

    code = "setting_locked"
    status = 409
    default_hint = "Remove the variable from the environment and restart to change it here."


class WorkspaceInUse(SystemIssue):
    """Another Hearth works on this workspace; two would write the same files."""

    code = "workspace_in_use"
    status = 409
    default_hint = "Stop the other one, or set WORKSPACE to another folder."


class WorkspaceUnusable(SystemIssue):
    """The folder of the workspace cannot be made or written."""

    code = "workspace_unusable"
    status = 500
    default_hint = "Make the folder writable for the user that runs Hearth, or set WORKSPACE to another one."


class UnknownService(SystemIssue):
    """There is no service of this name."""

    code = "service_not_found"
    status = 404
    default_hint = "GET /api/system/services lists every service."


class IllegalServiceAction(SystemIssue):
    """The service cannot be asked for this in its present state; nothing was done."""

    code = "illegal_service_action"
    status = 409
    default_hint = "GET /api/system/services tells what can be asked of each service."


class ServiceNotSteered(SystemIssue):
    """The supervisor of the service refused, or does not answer."""

    code = "service_not_steered"
    status = 502
    default_hint = "Look at the log of the service and of the container."
