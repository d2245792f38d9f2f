"""Tokens for the places where files come from: one per host, write-only."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr

from backend.api.dependencies import Manager, Reader, ServicesDep

router = APIRouter(prefix="/api/tokens", tags=["tokens"])


class TokenView(BaseModel):
    """A token as it may be shown: never the token."""

    host: str = Field(examples=["huggingface.co"])
    origin: str = Field(description="environment or stored", examples=["stored"])
    ends_with: str = Field(description="The last characters, to tell two tokens apart", examples=["x7Qd"])


class TokenList(BaseModel):
    """Every host that has a token."""

    items: list[TokenView]
    total: int


class NewToken(BaseModel):
    """The token to keep."""

    token: SecretStr = Field(min_length=8, max_length=4096, examples=["hf_…"])


class TokenCheck(BaseModel):
    """What the host says about the token."""

    host: str = Field(examples=["huggingface.co"])
    account: str = Field(examples=["ada"])


@router.get("", summary="List hosts with a token")
async def list_tokens(services: ServicesDep, _who: Reader) -> TokenList:
    """Name the hosts; tokens themselves are never sent."""
    items = [
        TokenView(host=token.host, origin=token.origin, ends_with=token.ends_with)
        for token in services.tokens.describe()
    ]
    return TokenList(items=items, total=len(items))


@router.put("/{host}", status_code=204, summary="Keep a token")
async def set_token(host: str, new: NewToken, services: ServicesDep, _who: Manager) -> Response:
    """Store the token with mode 0600; downloads that wait for it continue."""
    await services.tokens.set(host, new.token.get_secret_value())
    return Response(status_code=204)


@router.delete("/{host}", status_code=204, summary="Forget a token")
async def delete_token(host: str, services: ServicesDep, _who: Manager) -> Response:
    """Remove the stored token; one from the environment stays in force."""
    await services.tokens.delete(host)
    return Response(status_code=204)


@router.post("/{host}/check", summary="Ask the host who the token belongs to")
async def check_token(host: str, services: ServicesDep, _who: Manager) -> TokenCheck:
    """Send the token to its own host and answer the account name, or the host's refusal."""
    return TokenCheck(host=host, account=await services.tokens.validate(host))
