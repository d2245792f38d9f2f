"""What can go wrong with the catalogue, one preset or its files.

* PresetError
  * PresetNotFound, PresetRetired       the id names nothing, or something that was given up on purpose
  * InvalidPreset, PresetExists         a user's definition cannot be taken
  * PresetShipped                       only definitions of the user can be removed
  * PresetBusy                          its files are being downloaded
  * PresetsDisabled                     presets are switched off
  * InvalidQuery                        a filter, sort or page that does not exist
  * NothingToRestore, RestoreBlocked    an undo has nothing to work on, or something is in its way
  * VerificationNotFound                no check of this preset ran since the start
  * CatalogUpdateError                  the newer catalogue cannot be had, or is not taken
"""

from __future__ import annotations

from backend.errors import HearthError


class PresetError(HearthError):
    """Something about presets."""

    code = "preset_error"
    status = 400


class PresetNotFound(PresetError):
    """No preset, and no older name of one, has this id."""

    code = "preset_not_found"
    status = 404
    default_hint = "List the ids with GET /api/presets, or search with ?q=."


class PresetRetired(PresetError):
    """The id belonged to an older catalogue and was given up; the reason says why."""

    code = "preset_retired"
    status = 410
    default_hint = "Choose another preset with GET /api/presets."


class InvalidPreset(PresetError):
    """A preset definition breaks the schema or the fence around the model folders."""

    code = "invalid_preset"
    status = 422
    default_hint = "Compare the definition with the JSON Schema in config/presets/schema.json."


class PresetExists(PresetError):
    """A preset with this id is there already."""

    code = "preset_exists"
    status = 409
    default_hint = "Choose another id, or replace the definition with PUT /api/presets/{id}."


class PresetShipped(PresetError):
    """A definition that comes with Hearth cannot be removed."""

    code = "preset_shipped"
    status = 409
    default_hint = "Remove its files without ?definition=true."


class PresetBusy(PresetError):
    """The preset's files cannot be removed or restored while they are being downloaded."""

    code = "preset_busy"
    status = 409
    default_hint = "Cancel the download first: POST /api/downloads/{id}/cancel with the id in details.download_id."


class PresetsDisabled(PresetError):
    """Presets are switched off in this installation."""

    code = "presets_disabled"
    status = 404
    default_hint = "Set ENABLE_PRESET_MANAGER=true and start Hearth again."


class InvalidQuery(PresetError):
    """A list was asked for with a value that does not exist."""

    code = "invalid_query"
    status = 422
    default_hint = "Use one of the allowed values in details.allowed."


class NothingToRestore(PresetError):
    """No removal of this preset's files is in the trash."""

    code = "nothing_to_restore"
    status = 404
    default_hint = "Download the preset again."


class RestoreBlocked(PresetError):
    """Another file has taken a removed file's place, or the place cannot be written."""

    code = "restore_blocked"
    status = 409
    default_hint = "Move the files named in details.blocked away, then restore again."


class VerificationNotFound(PresetError):
    """The preset was not checked since Hearth started."""

    code = "verification_not_found"
    status = 404
    default_hint = "Start a check with POST /api/presets/{id}/verify."


class CatalogUpdateError(PresetError):
    """The newer catalogue is not taken; nothing was changed."""

    code = "catalog_update_failed"
    status = 502


class CatalogUrlMissing(CatalogUpdateError):
    """There is no address to update from."""

    code = "catalog_url_missing"
    status = 409
    default_hint = "Set PRESET_CATALOG_URL to the address of a catalogue (zip or JSON) and start Hearth again."


class CatalogUnreachable(CatalogUpdateError):
    """The address does not answer with a catalogue."""

    code = "catalog_unreachable"
    status = 502
    default_hint = "Check PRESET_CATALOG_URL and the network, then try again."


class CatalogInvalid(CatalogUpdateError):
    """The downloaded catalogue is damaged, unsafe or breaks its own rules; details.problems lists what is wrong."""

    code = "catalog_invalid"
    status = 422
    default_hint = "Tell the publisher of the catalogue; the catalogue in use stays as it is."
