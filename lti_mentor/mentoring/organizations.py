"""Organizations: who owns every other row."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, new_id


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
